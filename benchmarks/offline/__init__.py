"""Training and evaluation of the embedded planner on the public question sets under ../shared."""
