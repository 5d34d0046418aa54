"""What people read, drawn from result documents and from nothing else."""
