"""How do the field's evaluation toolkits ask lexmax?

`lexmax.eval.interfaces.mteb`, `.beir` and `.pyterrier` each suit one toolkit, which the extra of
that name brings: pip install "lexmax[mteb]".
"""
