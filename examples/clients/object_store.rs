//! An `object_store` on S3 for the connection `lake`.
#![allow(clippy::print_stdout)]

use airflow_secrets::Resolver;
use object_store::{ObjectStoreExt as _, aws::AmazonS3Builder, path::Path};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let resolver = Resolver::from_env().await?;
    let lake = resolver.get_connection("lake").await?.aws_s3()?;
    let mut builder = AmazonS3Builder::new().with_bucket_name("lake");
    for (name, value) in lake.object_store()?.iter() {
        builder = builder.with_config(name.parse()?, value);
    }
    let store = builder.build()?;
    let path = Path::from("greetings/hello.txt");
    store.put(&path, "hello".into()).await?;
    let bytes = store.get(&path).await?.bytes().await?;
    println!("{path}: {}", String::from_utf8_lossy(&bytes));
    Ok(())
}
