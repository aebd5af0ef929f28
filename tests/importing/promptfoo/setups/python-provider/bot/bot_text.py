def opening(prompt, shop):
    return f"{shop} opens at nine ({len(prompt)} characters asked)."
