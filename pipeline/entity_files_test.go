package pipeline

import (
	"testing"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// TestEntityFiles: what follows a target learns of new rows by new files, so the old ones have to stay.
func TestEntityFiles(t *testing.T) {
	if got := entityFiles(&models.Target{Type: "snowflake", Snowflake: &models.Snowflake{}}); got != (warehouse.Together{}) {
		t.Errorf("files become one by %+v, and something follows the target", got)
	}
	if got := entityFiles(&models.Target{Type: "local"}); got.Files == 0 || got.Rows == 0 {
		t.Errorf("files never become one: %+v", got)
	}
}
