SELECT 'fodors' AS a_source, fodors_id AS a_key, 'zagats' AS b_source, zagats_id AS b_key
FROM read_csv('${data}/fodors_zagats/match_fodors_zagats_more_attrs.csv', all_varchar = true) WHERE gold = '1'
