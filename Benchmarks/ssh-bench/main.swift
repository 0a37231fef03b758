await SSHBench.main()
