"""The doors for people and programs: the verbs of the house and the command line over them."""
