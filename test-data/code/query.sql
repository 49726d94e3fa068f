SELECT 'hello'; -- '; DROP TABLE observed;
