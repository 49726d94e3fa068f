"""Adapters of the Engine port: where the attempts of a window are carried out."""
