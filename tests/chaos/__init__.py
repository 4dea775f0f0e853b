"""What 202 promises, while processes are killed and disks are full. `make chaos` takes longer over it."""
