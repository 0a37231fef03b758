import Launch

await Program<VMHostCommand>.main()
