"""How are vectors kept of which a few with the greatest inner products are wanted?"""
