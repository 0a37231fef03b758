await ImageBench.main()
