"""Which of similar documents are chosen, and what lies beside those that were found?"""
