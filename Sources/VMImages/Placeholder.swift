enum VMImagesPlaceholder {}
