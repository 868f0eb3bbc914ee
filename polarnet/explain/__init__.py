"""Where the network looks, and whether that can be believed."""
