"""How do others reach it over HTTP?"""
