"""Wyoming, the protocol of Home Assistant's voice parts: inherentd as its wake word detector, or as its satellite."""
