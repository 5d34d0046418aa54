"""What every experiment is measured with."""
