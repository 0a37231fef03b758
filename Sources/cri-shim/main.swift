print("no commands yet")
