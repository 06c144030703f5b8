"""How does text become numbers?"""
