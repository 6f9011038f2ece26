"""The seats: prompt, schema, stand-ins, LSTM."""
