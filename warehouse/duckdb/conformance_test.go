package duckdb

import (
	"testing"

	"github.com/millrace/millrace/warehouse/warehousetest"
)

func TestConformance(t *testing.T) { warehousetest.Run(t, Open) }
