-- 15 short columns: the shape of a clinic's table with the most rows. Every value follows from the key.
CREATE TABLE `{table}` (
  `PerioMeasureNum` bigint(20) NOT NULL AUTO_INCREMENT,
  `PerioExamNum` bigint(20) NOT NULL,
  `SequenceType` tinyint(3) unsigned NOT NULL,
  `IntTooth` smallint(6) NOT NULL,
  `ToothValue` smallint(6) NOT NULL,
  `MBvalue` smallint(6) NOT NULL,
  `Bvalue` smallint(6) NOT NULL,
  `DBvalue` smallint(6) NOT NULL,
  `MLvalue` smallint(6) NOT NULL,
  `Lvalue` smallint(6) NOT NULL,
  `DLvalue` smallint(6) NOT NULL,
  `ProvNum` bigint(20) NOT NULL,
  `ClinicNum` bigint(20) NOT NULL,
  `SecUserNumEntry` bigint(20) NOT NULL,
  `Depth` double NOT NULL,
  PRIMARY KEY (`PerioMeasureNum`),
  KEY `PerioExamNum` (`PerioExamNum`)
) ENGINE={engine} DEFAULT CHARSET=utf8;

INSERT INTO `{table}`
SELECT
  seq,
  1 + seq DIV 192,
  seq MOD 6,
  1 + (seq DIV 6) MOD 32,
  -1,
  (seq * 7) MOD 9,
  (seq * 11) MOD 9,
  (seq * 13) MOD 9,
  (seq * 17) MOD 9,
  (seq * 19) MOD 9,
  IF(seq MOD 50 = 0, -1, (seq * 23) MOD 9),
  1 + seq MOD 25,
  seq MOD 5,
  1 + seq MOD 12,
  ((seq * 7) MOD 900) / 90
FROM seq_{first}_to_{last};
