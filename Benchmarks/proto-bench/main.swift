ProtoBench.run()
