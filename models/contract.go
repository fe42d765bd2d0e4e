package models

import (
	"fmt"
	"strings"
)

// The kinds of checks that are not written under checks: a contract's, and what became of a stream's columns.
const (
	KindContract = "contract"
	KindSchema   = "schema"
)

// SchemaCheck is the name of the check that tells how a stream's columns differ from the published ones.
const SchemaCheck = "schema_change"

// Contract is what the columns of a table must be. It is the Args of the check named contract, which judges names, types and
// order. What rows must meet is in the checks beside it, one for each column, whose Args are a *ContractColumn.
type Contract struct {
	Columns []ContractColumn
	Extra   string // what becomes of columns that it does not name: one of the constants below
	Gone    bool   // a column of it may be missing: it is NULL then
	Strict  bool   // the columns stand in its order
}

// What becomes of columns that a contract does not name.
const (
	ExtraFails     = "fail"
	ExtraAllowed   = "allow"
	ExtraDiscarded = "discard"
)

// ContractColumn is what one column must be.
type ContractColumn struct {
	Name     string
	Type     string // in the engine's spelling
	Length   int    // most characters of a text; 0: any number
	Nullable bool
}

// Column returns what the contract says of a column, or nil.
func (c *Contract) Column(name string) *ContractColumn {
	for i := range c.Columns {
		if strings.EqualFold(c.Columns[i].Name, name) {
			return &c.Columns[i]
		}
	}
	return nil
}

// judgesRows says whether a row can fail it. Of numbers only exact ones can become others by a cast that is not refused.
func (c *ContractColumn) judgesRows() bool {
	return !c.Nullable || c.Length > 0 || strings.HasPrefix(c.Type, "DECIMAL") || strings.HasSuffix(c.Type, "INT") || c.Type == "INTEGER"
}

// String is the column's type as a contract writes it.
func (c *ContractColumn) String() string {
	text := c.Type
	if c.Length > 0 {
		text = fmt.Sprintf("%s(%d)", c.Type, c.Length)
	}
	if !c.Nullable {
		text += ", not NULL"
	}
	return text
}

// ContractCheck returns the check that holds the node's columns against its contract, or nil.
func (n *Node) ContractCheck() *Check {
	for _, c := range n.Checks {
		if _, ok := c.Args.(*Contract); ok {
			return c
		}
	}
	return nil
}

// Contract returns what the node's columns must be, or nil.
func (n *Node) Contract() *Contract {
	if c := n.ContractCheck(); c != nil {
		return c.Args.(*Contract)
	}
	return nil
}

// What becomes of a stream whose columns differ from the published ones.
const (
	SchemaEvolves     = "evolve"
	SchemaFrozen      = "freeze"
	SchemaDiscards    = "discard"
	SchemaQuarantines = "quarantine"
)
