"""What is learned from labels and read at run time: features of texts, the model on them, the folder it is kept in."""
