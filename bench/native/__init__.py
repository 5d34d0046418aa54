"""The native core's hot paths, measured in plain C within a fraction of a second a round."""
