-- A day goes by: 300 new orders, 120 that change, 5 that are deleted, 250 payments, a new column, a renamed customer.
INSERT INTO orders (id, customer_id, status, amount)
SELECT i, 1 + i * 7919 % 3000, 'new', (i * 37 % 50000) / 100.0 FROM generate_series(20001, 20300) AS i;
INSERT INTO order_items SELECT i, 1, 'SKU-' || (i * 31 % 400), 1, (i * 37 % 50000) / 100.0 FROM generate_series(20001, 20300) AS i;
UPDATE orders SET status = 'shipped', updated_at = now() WHERE id BETWEEN 19001 AND 19120;
DELETE FROM orders WHERE id IN (11, 222, 3333, 4444, 15555);
INSERT INTO payments (order_id, amount) SELECT i, (i * 37 % 50000) / 100.0 FROM generate_series(20001, 20250) AS i;
UPDATE customers SET name = 'Customer Eleven' WHERE id = 11;
ALTER TABLE customers ADD COLUMN vat_number text;
UPDATE customers SET vat_number = 'DE' || lpad(id::text, 9, '0') WHERE id % 100 = 0;
