"""Virtual time: the kernel's own object code on modelled machines."""
