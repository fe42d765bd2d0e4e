SELECT row_number() OVER () AS key, trim(unique_id, ' ''') AS cluster FROM read_csv('${data}/restaurant_dedupe/restaurant-nophone-training.csv', all_varchar = true)
