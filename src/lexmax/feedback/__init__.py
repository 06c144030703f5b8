"""How does what was found change the query?"""
