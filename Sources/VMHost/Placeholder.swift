enum VMHostPlaceholder {}
