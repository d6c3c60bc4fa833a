"""What can teach: anything that gives a label distribution for each token of a text."""
