import Launch

await Program<AppleHostCommand>.main()
