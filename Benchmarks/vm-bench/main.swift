await VMBench.main()
