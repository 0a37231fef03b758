import Launch

await Program<VKAdapterCommand>.main(ignoring: "--klog.")
