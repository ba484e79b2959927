"""Published sets of pictures in a few files, as torchvision keeps them."""
