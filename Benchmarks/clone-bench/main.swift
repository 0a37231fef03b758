await CloneBench.main()
