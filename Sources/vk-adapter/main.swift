import Launch

await Program<VKAdapterCommand>.main()
