SELECT unique_id AS key, cluster FROM read_csv('${data}/splink_fake_1000/fake_1000.csv', all_varchar = true)
