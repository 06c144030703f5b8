"""What is made of the states of a backbone?"""
