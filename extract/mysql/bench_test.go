package mysql

import (
	"context"
	"testing"
)

// BenchmarkRows reads a table to Arrow and drops it. Beside it: what the driver takes for the same rows.
func BenchmarkRows(b *testing.B) {
	db, cfg := testDatabase(b)
	conn := testConn(b, db)
	mustExec(b, conn, `CREATE TABLE o (id BIGINT PRIMARY KEY, cust INT NOT NULL, status ENUM('new', 'paid', 'sent'), price DECIMAL(12,2), qty SMALLINT,
note VARCHAR(80), ratio DOUBLE, f FLOAT, created DATETIME(6), updated_at TIMESTAMP(6) NOT NULL, flag TINYINT(1)) ENGINE=InnoDB`,
		`INSERT INTO o SELECT seq, seq % 10000, 1 + seq % 3, seq / 7, seq % 100, CONCAT('order number ', seq, ' of the day'), seq / 3e0, seq / 9e0,
'2024-01-01' + INTERVAL seq SECOND, '2024-01-01' + INTERVAL seq SECOND, seq % 2 FROM seq_1_to_200000`)
	attrs, err := loadAttributes(context.Background(), conn, cfg.DBName, "o")
	if err != nil {
		b.Fatal(err)
	}
	columns, err := columnsFor(attrs, nil)
	if err != nil {
		b.Fatal(err)
	}
	query := "SELECT " + selectList(columns) + " FROM o"
	b.Run("arrow", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := take(conn, query, intake{columns: columns}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("driver", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			rows, err := conn.QueryContext(context.Background(), query)
			if err != nil {
				b.Fatal(err)
			}
			n := 0
			for rows.Next() {
				n++
			}
			if err := rows.Err(); err != nil || n != 200_000 {
				b.Fatal(n, err)
			}
			_ = rows.Close()
		}
	})
}
