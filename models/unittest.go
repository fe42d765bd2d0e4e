package models

import "github.com/millrace/millrace/internal/config"

func (l *loader) unitTests(p *dbtPackage, list config.Node) {}
func (l *loader) exposures(p *dbtPackage, list config.Node) {}
