"""Files of finished trials as Parquet."""
