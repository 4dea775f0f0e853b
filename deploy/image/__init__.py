"""What the images are built with."""
