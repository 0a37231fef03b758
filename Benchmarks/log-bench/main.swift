await LogBench.main()
