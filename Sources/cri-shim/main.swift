import Launch

await Program<CRIShimCommand>.main()
