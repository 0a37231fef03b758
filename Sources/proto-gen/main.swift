ProtoGen.main()
