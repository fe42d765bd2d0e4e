SELECT unique_id AS key, cluster FROM '${data}/historical_a/historical_a.parquet'
