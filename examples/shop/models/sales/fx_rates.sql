-- What one unit of a currency is worth in euros. Ephemeral: no table is made, the text is put into the models that
-- refer to it.
{{ config(materialized='ephemeral') }}

select currency, rate_to_eur::decimal(9, 4) as rate_to_eur
from (values ('EUR', 1.0000), ('CHF', 1.0420), ('USD', 0.9210)) as rates (currency, rate_to_eur)
