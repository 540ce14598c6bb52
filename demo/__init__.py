"""The demo of the README: a real data set, loaded into a real server and searched."""
